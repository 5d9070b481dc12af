//! What is found in messages and what is not, and the grammar of values.

mod found;
mod ignored;
mod props;
mod values;
