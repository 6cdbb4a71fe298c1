//! What systemd is told, by its protocol of one datagram (`sd_notify`).

use crate::io::llm::Environment;

/// The graph has compiled, its state is taken up, and signals are heard from now on. Nothing depends on its being heard.
#[cfg(target_os = "linux")]
pub fn begun(environment: &Environment) {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr, UnixDatagram};

    let Some(name) = environment.get("NOTIFY_SOCKET") else { return };
    let address = match name.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(name),
    };
    let told = address.and_then(|to| UnixDatagram::unbound()?.send_to_addr(b"READY=1", &to));
    if let Err(error) = told {
        tracing::debug!("who started this could not be told that it has begun: {error}");
    }
}

/// There is no systemd.
#[cfg(not(target_os = "linux"))]
pub fn begun(_environment: &Environment) {}
