//! Who may send and follow what on this machine: other users at the real socket.

mod follow;
mod reload;
mod send;

use crate::harness::{Agent, as_root};

/// Who may do everything by the rules.
pub(crate) const WATCHER: u32 = 4001;

/// Who may do everything with `shop.*`, and nothing else; in the group `shop`.
pub(crate) const SHOP: u32 = 4002;

/// Who may send everything.
pub(crate) const SENDER: u32 = 4003;

/// Whom no rule names.
pub(crate) const NONE: u32 = 4004;

/// Whom the agent may run as.
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

/// The rules in which each of those users has what is said beside them.
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

/// An agent that lives among those users, and is not started yet; none, said loudly, without root.
pub(crate) fn among_users(what: &str, lines: &[&str]) -> Option<Agent> {
    if !as_root(what) {
        return None;
    }
    let mut agent = Agent::prepare(lines);
    agent.set_accounts(USERS, GROUPS);
    Some(agent)
}

/// The same with [`RULES`] and these lines before them, and started.
pub(crate) fn with_rules(what: &str, lines: &[&str]) -> Option<Agent> {
    let mut agent = among_users(what, &[lines, &RULES].concat())?;
    agent.restart();
    Some(agent)
}

/// From now on it is run by [`AGENT`], among those users: as a copy, since the tests' own place may be closed
/// to others.
pub(crate) fn run_as_agent(agent: &mut Agent) {
    let start = format!(
        "mount --bind $0/passwd /etc/passwd && mount --bind $0/group /etc/group && \
        cp \"$1\" $0/agent && chown {AGENT} $0 && shift && \
        exec setpriv --reuid={AGENT} --clear-groups $0/agent \"$@\""
    );
    let dir = agent.dir().to_str().expect("UTF-8").to_owned();
    agent.launch_with(&["unshare", "--mount", "sh", "-c", &start, &dir]);
}

/// What users who may follow only `shop.*` must never see, in whatever answer.
const SECRET: &str = "top-secret";

/// Sends events of the shop, numbered, and between them what is not for everybody.
fn send_mixed(agent: &Agent, events: u32) {
    let mut client = agent.connect();
    for n in 0..events {
        client.write(format!("SEND {{\"tag\":\"shop.till\",\"msg\":\"sold {n}\"}}\n"));
        client.write(format!("SEND {{\"tag\":\"{SECRET}\",\"msg\":\"{SECRET}\"}}\n"));
    }
    client.sync();
}
