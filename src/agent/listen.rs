//! Taking connections in. Never ends by itself, and never spins.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::{UnixListener, UnixStream};

use super::limits::{Limits, Permit};
use crate::diag::{self, Throttle};
use crate::sys::peer::Peer;
use crate::wire;

/// How long to wait when the system has no descriptor or no memory for another connection.
const PAUSE: Duration = Duration::from_millis(100);

/// How often a failure that goes on is told.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// Accepts for ever, and hands each connection that is permitted to `serve`, in a task of its own.
pub(crate) async fn run<F, S>(listener: UnixListener, limits: Arc<Limits>, serve: F)
where
    F: Fn(UnixStream, Peer, Permit) -> S,
    S: Future<Output = ()> + Send + 'static,
{
    let mut told = Throttle::new(TELL_EVERY);
    loop {
        match listener.accept().await {
            Ok((stream, _)) => match admit(&stream, &limits) {
                Ok((peer, permit)) => drop(tokio::spawn(serve(stream, peer, permit))),
                Err(why) => refuse(&stream, &why),
            },
            // The client was gone before it was accepted.
            Err(e) if e.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(e) => {
                if let Some(left_out) = told.pass(Instant::now()) {
                    diag::warning(format_args!(
                        "cannot accept a connection: {e}: trying again{left_out}"
                    ));
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

fn admit(stream: &UnixStream, limits: &Arc<Limits>) -> Result<(Peer, Permit), String> {
    let peer =
        Peer::of(stream).map_err(|e| format!("the kernel does not say who connected: {e}"))?;
    let permit = limits.permit(peer.uid).map_err(|full| full.to_string())?;
    Ok((peer, permit))
}

/// Tells a client why it is not served. What it does not take at once, it is not told.
fn refuse(stream: &UnixStream, why: &str) {
    let mut answer = Vec::new();
    wire::encode_err(wire::Code::Later, why, &mut answer);
    let _ = stream.try_write(&answer);
}
