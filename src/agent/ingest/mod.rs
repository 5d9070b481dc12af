//! The intake: where drafts become events, whatever transport and syntax they came by.

mod batch_pool;
pub(crate) mod intake;

pub use intake::UNSTORED_MAX;
