//! Serving views: the verb VIEW.
//!
//! All watchers with the same MATCH and rights share one [`Fold`](fold::Fold), so that ten pages cost little more than
//! one. A fold runs while it is watched, and [`KEPT_FOR`] longer.

mod delta;
mod fold;
mod folds;
pub(crate) mod past;
pub(crate) mod serve;
mod shared;
mod sources;
mod turn;

pub use folds::{FOLDS_MAX, FOLDS_OF_ONE_MAX, FOLDS_RESERVED, KEPT_FOR};
pub(crate) use folds::{Folds, Watch};
pub use past::{PAST_FOLDS_MAX, PAST_WAIT_MAX};
pub use shared::SNAPSHOT_MAX;
pub(crate) use shared::Versioned;
pub(crate) use sources::Sources;
