//! Serving views: the verb VIEW.
//!
//! All watchers with the same MATCH and rights share one [`Fold`](fold::Fold), so that ten pages cost little more than
//! one. A fold runs while it is watched, and [`KEPT_FOR`] longer.

mod delta;
mod fold;
mod folds;
#[allow(dead_code, reason = "the line protocol has no past periods")]
pub(crate) mod past;
pub(crate) mod serve;
mod shared;
mod turn;

pub(crate) use folds::Folds;
pub use folds::{FOLDS_MAX, KEPT_FOR};
