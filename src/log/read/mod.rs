//! Reading: forward from a cursor, backward from a number, and the search for a moment. Window and
//! history are one sequence to a reader.

pub(crate) mod backward;
pub(crate) mod chunk;
pub(crate) mod forward;
pub(crate) mod seek;
