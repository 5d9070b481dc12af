//! Several systems, measured in turns.

use crate::link::Link;
use crate::load::Message;
use crate::systems::{Agent, Mosquitto, Nats, Redis, Relay, Rsyslog, System};
use crate::{BenchError, Options};

/// Systems, in the order in which they are measured: our agents, the peers that are installed, the relay.
pub(crate) struct Systems(Vec<Entry>);

struct Entry {
    name: &'static str,
    /// `None` if it is not installed.
    system: Option<Box<dyn System>>,
}

/// The values of each system, by its name.
pub(crate) struct Measured<V>(Vec<(&'static str, Vec<V>)>);

impl Systems {
    /// Starts systems: `history off`, `history on`, `nats-server`, `redis`, `mosquitto`, `rsyslogd`, `relay`.
    pub(crate) fn start(names: &[&'static str]) -> Result<Self, BenchError> {
        let start = |name: &&'static str| {
            let system: Option<Box<dyn System>> = match *name {
                "history off" => Some(Box::new(Agent::start(false)?)),
                "history on" => Some(Box::new(Agent::start(true)?)),
                "nats-server" => Nats::start()?.map(boxed),
                "redis" => Redis::start()?.map(boxed),
                "mosquitto" => Mosquitto::start()?.map(boxed),
                "rsyslogd" => Rsyslog::start()?.map(boxed),
                "relay" => Some(Box::new(Relay::start()?)),
                other => return Err(BenchError::Failed(format!("no system {other}"))),
            };
            Ok(Entry { name, system })
        };
        Ok(Self(names.iter().map(start).collect::<Result<_, _>>()?))
    }

    /// Connects senders of these loads, and followers, to each system.
    pub(crate) fn links(
        &self,
        loads: &[Vec<Message>],
        followers: usize,
    ) -> Result<Vec<(&'static str, Option<Link<'_>>)>, BenchError> {
        let mut links = Vec::new();
        for Entry { name, system } in &self.0 {
            let link = system.as_deref().map(|system| Link::new(system, loads, followers));
            links.push((*name, link.transpose()?));
        }
        Ok(links)
    }
}

fn boxed<T: System + 'static>(system: T) -> Box<dyn System> {
    Box::new(system)
}

/// Measures each link in turns, so many times after one time that warms up.
pub(crate) fn in_turns<T, V>(
    links: &mut [(&'static str, Option<T>)],
    runs: usize,
    mut measure: impl FnMut(&mut T) -> Result<V, BenchError>,
) -> Result<Measured<V>, BenchError> {
    let mut measured: Vec<_> = links.iter().map(|(name, _)| (*name, Vec::new())).collect();
    for run in 0..=runs {
        for ((name, link), (_, values)) in links.iter_mut().zip(&mut measured) {
            let Some(link) = link else { continue };
            let value =
                measure(link).map_err(|error| BenchError::Failed(format!("{name}: {error}")))?;
            if run > 0 {
                values.push(value);
            }
        }
    }
    Ok(Measured(measured))
}

impl<V> Measured<V> {
    /// A figure of each run of a system. Empty if it is not installed.
    pub(crate) fn of(&self, name: &str, figure: impl Fn(&V) -> f64) -> Vec<f64> {
        let found = self.0.iter().find(|(other, _)| *other == name);
        found.map(|(_, values)| values.iter().map(figure).collect()).unwrap_or_default()
    }
}

impl Measured<f64> {
    /// The value of each run of a system. Empty if it is not installed.
    pub(crate) fn values(&self, name: &str) -> Vec<f64> {
        self.of(name, |value| *value)
    }
}

/// Messages a second, of each system in turns, with so many messages a write.
pub(crate) fn throughput(
    options: &Options,
    links: &mut [(&'static str, Option<Link<'_>>)],
    batch: usize,
    runs: usize,
) -> Result<Measured<f64>, BenchError> {
    in_turns(links, runs, |link| Ok(link.run(batch, options.time())?.per_second()))
}
