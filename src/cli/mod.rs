//! The command line: the only place that sees everything and wires it. What is printed is made in `render`, by
//! functions that touch nothing.

pub mod render;
