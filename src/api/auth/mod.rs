//! Who may call the API: JSON Web Tokens (RFC 7519) as bearer tokens (RFC 6750), held to the advice of RFC 8725.
//!
//! ```text
//! AGENT_API_JWT_* ──► Settings ──► Policy::for_address ──► Guard ──requires(Role)──► a tower layer per route
//!                                     │
//!                                     ├─ Open: the loopback only, requests of pages elsewhere refused
//!                                     └─ Checked(Checker): one header ─► Compact ─► Keys ─► Terms ─► Caller
//! ```
//!
//! One algorithm is pinned by the settings, and keys of another are not even kept, so a token's header chooses nothing but
//! which of the equal keys to try. A refusal ([`Refusal`]) is made of constant texts: it cannot quote a token or a secret.

mod checker;
mod claims;
mod compact;
mod der;
mod guard;
mod issue;
mod jwks;
mod keys;
mod policy;
mod refusal;
mod remote;
mod roles;
mod settings;
#[cfg(test)]
mod tests;

pub use checker::{Checker, Seen};
pub use claims::{LEEWAY, RolesClaim, Terms, seconds};
pub use compact::LARGEST;
pub use guard::{Guard, Guarded, Requires};
pub use issue::{Grant, Signer, issue};
pub use keys::{Algorithm, Keys};
pub use policy::Policy;
pub use refusal::Refusal;
pub use remote::Place;
pub use roles::{Caller, Role, Roles};
pub use settings::{KeySource, Settings};
