//! Whether tokens are asked for, by where the server listens.

use std::net::SocketAddr;

use super::checker::Checker;
use super::settings::Settings;
use crate::diagnostic::{Diagnostic, codes};

/// Who is let in.
pub enum Policy {
    /// Everybody on this machine.
    Open,
    /// Who has a token.
    Checked(Box<Checker>),
}

impl Policy {
    /// Tokens are asked for where they are set up, and have to be as soon as others than this machine reach the address.
    ///
    /// # Errors
    /// AG0553: others reach the address, and no tokens are set up, or their audience is not.
    pub fn for_address(address: SocketAddr, settings: Option<Settings>) -> Result<Policy, Diagnostic> {
        let is_local = address.ip().to_canonical().is_loopback();
        let required = |message: String, help: &str| Diagnostic::new(codes::api::AUTH_REQUIRED, message).help(help);
        match settings {
            None if is_local => Ok(Policy::Open),
            None => Err(required(
                format!("others reach {address}, and no AGENT_API_JWT_* says who may call"),
                "set AGENT_API_JWT_ALGORITHM, a key and AGENT_API_JWT_AUDIENCE, or listen on 127.0.0.1",
            )),
            Some(settings) if settings.terms.audience.is_none() && !is_local => Err(required(
                format!(
                    "others reach {address}, and AGENT_API_JWT_AUDIENCE does not say which tokens are for this server"
                ),
                "set AGENT_API_JWT_AUDIENCE; `agent token` then writes it into the tokens that it issues",
            )),
            Some(settings) => Ok(Policy::Checked(Box::new(Checker::new(settings)))),
        }
    }

    /// AG0554, to be told at the start where nobody is asked for a token.
    pub fn warning(&self) -> Option<Diagnostic> {
        match self {
            Policy::Open => Some(
                Diagnostic::new(
                    codes::api::AUTH_OFF,
                    "every program on this machine may call the API: no token is asked for",
                )
                .help("AGENT_API_JWT_ALGORITHM and a key ask for one; .env.example describes them"),
            ),
            Policy::Checked(_) => None,
        }
    }
}
