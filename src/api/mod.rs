//! The HTTP interface of a running `agent`.

pub mod auth;
