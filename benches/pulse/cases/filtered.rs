//! A follower with a MATCH, compared with one of everything. It must receive exactly the messages that the load
//! generator selects by its own rule.

use crate::link::{BATCH, Link};
use crate::load::{Kind, Message};
use crate::systems::Agent;
use crate::table::{Row, Unit};
use crate::turns::throughput;
use crate::{BenchError, Options};

/// What a filter selects by, its MATCH, and the same rule for messages.
type Filter = (&'static str, &'static str, fn(&Message) -> bool);

/// The filters that are measured.
const FILTERS: [Filter; 4] = [
    ("tag", "tag=shop.query", |message| message.claims.is_some_and(|(tag, _)| tag == "shop.query")),
    ("level", "level>=warning", |message| {
        message.claims.is_some_and(|(_, level)| level == "warning" || level == "err")
    }),
    ("field", "user=ada", |message| message.user == Some("ada")),
    ("regex", "\"msg~order [0-9]+ has\"", has_order),
];

pub(crate) fn run(options: &Options) -> Result<Vec<Row>, BenchError> {
    let load = options.load(Kind::Objects);
    // Each follower has an agent of its own, so that those that are not measured cost nothing.
    let agent = Agent::start(false)?;
    let agents = FILTERS.map(|_| Agent::start(false));
    let agents = agents.into_iter().collect::<Result<Vec<_>, _>>()?;
    let mut links = vec![("all", Some(Link::new(&agent, std::slice::from_ref(&load), 1)?))];
    for ((name, matching, selected), agent) in FILTERS.iter().zip(&agents) {
        links.push((*name, Some(Link::filtered(agent, &load, matching, *selected)?)));
    }
    let measured = throughput(options, &mut links, BATCH, options.runs())?;
    let row = |(name, matching, _): &Filter| {
        let what =
            format!("1→1, JSON, a follower by {name} (`{}`), sent", matching.trim_matches('"'));
        Row::new(what, Unit::PerSecond, measured.values(name))
            .peer("unfiltered", measured.values("all"))
    };
    Ok(FILTERS.iter().map(row).collect())
}

/// Whether `order [0-9]+ has` matches.
fn has_order(message: &Message) -> bool {
    let mut after = message.text.split("order ").skip(1);
    after.any(|rest| {
        let digits = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        digits.len() < rest.len() && digits.starts_with(" has")
    })
}
