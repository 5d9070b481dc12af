//! Whoever reads is a cursor.
