//! `[[access]]` on the real socket, with other users of the machine.

mod follow;
mod reload;
mod send;

use crate::harness::{Agent, as_root};

/// May send and follow every tag.
pub(crate) const WATCHER: u32 = 4001;

/// May send and follow `shop.*`, and nothing else, as a member of the group `shop`.
pub(crate) const SHOP: u32 = 4002;

/// May send every tag, and follow none.
pub(crate) const SENDER: u32 = 4003;

/// Named by no rule.
pub(crate) const NONE: u32 = 4004;

/// The uid of an agent that [`run_as_agent`] starts.
pub(crate) const AGENT: u32 = 4005;

const USERS: &str = "\
root:x:0:0::/:/bin/sh
watcher:x:4001:4001::/:/bin/sh
shopkeeper:x:4002:4002::/:/bin/sh
sender:x:4003:4003::/:/bin/sh
none:x:4004:4004::/:/bin/sh
agent:x:4005:4005::/:/bin/sh
";

const GROUPS: &str = "\
root:x:0:
watcher:x:4001:
shop:x:4100:shopkeeper
watch:x:4101:watcher
";

/// The rules that grant the users above their rights.
pub(crate) const RULES: [&str; 8] = [
    "[[access]]",
    "tag = \"shop.*\"",
    "send = [\"@shop\", \"watcher\", \"sender\"]",
    "tail = [\"@shop\", \"@watch\"]",
    "[[access]]",
    "tag = \"*\"",
    "send = [\"4001\", \"sender\"]",
    "tail = [\"@watch\"]",
];

/// Prepares an agent whose user and group database has those users. `None`, with a report, if the test does not
/// run as root.
pub(crate) fn prepare_with_accounts(what: &str, lines: &[&str]) -> Option<Agent> {
    if !as_root(what) {
        return None;
    }
    let mut agent = Agent::prepare(lines);
    agent.set_accounts(USERS, GROUPS);
    Some(agent)
}

/// Starts an agent with those users, these lines and then [`RULES`].
pub(crate) fn with_rules(what: &str, lines: &[&str]) -> Option<Agent> {
    let mut agent = prepare_with_accounts(what, &[lines, &RULES].concat())?;
    agent.restart();
    Some(agent)
}

/// Starts the agent as [`AGENT`] from now on, with the same database. It runs a copy, because other users may not
/// be able to reach the build directory.
pub(crate) fn run_as_agent(agent: &mut Agent) {
    let start = format!(
        "mount --bind $0/passwd /etc/passwd && mount --bind $0/group /etc/group && \
        cp \"$1\" $0/agent && chown {AGENT} $0 && shift && \
        exec setpriv --reuid={AGENT} --clear-groups $0/agent \"$@\""
    );
    let dir = agent.dir().to_str().expect("UTF-8").to_owned();
    agent.launch_with(&["unshare", "--mount", "sh", "-c", &start, &dir]);
}

/// The tag and message that [`SHOP`] must not see in any answer.
const SECRET: &str = "top-secret";

/// Sends numbered events of the shop, each followed by one that [`SHOP`] may not follow.
fn send_mixed(agent: &Agent, events: u32) {
    let mut client = agent.connect();
    for n in 0..events {
        client.write(format!("SEND {{\"tag\":\"shop.till\",\"msg\":\"sold {n}\"}}\n"));
        client.write(format!("SEND {{\"tag\":\"{SECRET}\",\"msg\":\"{SECRET}\"}}\n"));
    }
    client.sync();
}
