//! The intake: where drafts become events, whatever transport and syntax they came by.

mod batch_pool;
pub(crate) mod intake;
pub(crate) mod runs;

pub use intake::UNSTORED_MAX;
pub use runs::{
    RUN_FIELDS, RUN_TEXT_MAX, RUNS_BYTES_MAX, RUNS_MAX, RUNS_OF_CONNECTION_MAX, RUNS_OF_USER_MAX,
};
