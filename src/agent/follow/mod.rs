//! Following the log: a [`Subscription`](subscription::Subscription) is what one follower asked for, a sink is
//! where its bytes go.
//!
//! ```text
//! TAIL, VIEW ──resolve──▶ Subscription ──fill──▶ lines, gap, progress, end ──▶ sink
//!                             ▲                                                 │
//!                             └────────────────── consume ─────────────────────┘
//! ```
//!

pub(crate) mod filled;
mod forward;
pub(crate) mod leaving;
pub(crate) mod lines;
pub(crate) mod pace;
pub(crate) mod resolve;
mod reverse;
mod scanner;
pub(crate) mod selection;
pub(crate) mod source;
mod stage;
pub(crate) mod subscription;

pub use forward::PASSED_OVER_MAX;
pub use leaving::{GONE_CHECK_EVERY, IGNORED_MAX};
pub use lines::REST_MAX;
pub(crate) use resolve::Refusal;
