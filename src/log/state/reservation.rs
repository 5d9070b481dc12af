//! The sequence numbers that are reserved on disk. After an unclean stop, numbers continue after the
//! reservation, so that none is used twice.

use crate::event::Seq;

/// The reserved numbers of a log.
#[derive(Debug)]
pub(crate) struct Reservation {
    /// The first number that is not reserved.
    end: Seq,
    /// How many numbers a reservation has.
    size: u64,
    /// The log got a new id while the disk failed. No number is reserved under it, and none needs to
    /// be: no earlier process has used it.
    new_id: bool,
}

impl Reservation {
    /// The numbers before `end` are reserved. The next reservation will have `size` numbers.
    pub(crate) fn new(end: Seq, size: u64) -> Self {
        Self { end, size, new_id: false }
    }

    /// The first number that is not reserved.
    pub(crate) fn end(&self) -> Seq {
        self.end
    }

    /// The end of the reservation to be made when `next` is the next number.
    pub(crate) fn end_from(&self, next: Seq) -> Seq {
        next.plus(self.size)
    }

    /// `true` if `count` numbers from `next` on, and one for a gap, may be used.
    pub(crate) fn covers(&self, next: Seq, count: u64) -> bool {
        self.new_id || next.plus(count + 1) < self.end
    }

    /// `true` if the reservation must be renewed before `last` is written: when half of it is used.
    pub(crate) fn needs_renewal(&self, last: Seq) -> bool {
        self.new_id || last.plus(self.size / 2) >= self.end
    }

    /// Notes a renewal that is durable.
    pub(crate) fn renew(&mut self, end: Seq) {
        self.end = end;
        self.new_id = false;
    }

    /// Notes that the log got a new id.
    pub(crate) fn start_new_id(&mut self) {
        self.new_id = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seq(n: u64) -> Seq {
        Seq::new(n).expect("small")
    }

    #[test]
    fn keeps_one_number_for_a_gap_and_renews_at_half() {
        let mut reservation = Reservation::new(seq(100), 40);
        assert!(reservation.covers(seq(90), 8) && !reservation.covers(seq(90), 9));
        assert!(!reservation.needs_renewal(seq(79)) && reservation.needs_renewal(seq(80)));
        assert_eq!(reservation.end_from(seq(80)), seq(120));
        reservation.start_new_id();
        assert!(reservation.covers(seq(1000), 1000) && reservation.needs_renewal(seq(2)));
        reservation.renew(seq(120));
        assert!(!reservation.covers(seq(118), 1) && !reservation.needs_renewal(seq(99)));
    }
}
