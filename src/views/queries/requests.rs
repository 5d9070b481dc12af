//! Counts each shape within each request, to find queries in a loop (N+1).

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use crate::views::facts::Facts;
use crate::views::table::map_size;
use crate::views::text::ALLOCATION;

/// The number of requests whose shapes are counted: those that began last.
pub const REQUESTS_MAX: usize = 1000;

/// The most shapes that are counted within one request.
const SHAPES_MAX: usize = 64;

/// The most bytes of all requests: each has its shapes, and an entry in the list and in the map.
pub(super) const BYTES_MAX: usize =
    REQUESTS_MAX * (SHAPES_MAX * size_of::<(u32, u32)>() + 2 * size_of::<Request>());

/// The requests that began last.
#[derive(Debug, Default)]
pub(super) struct Requests {
    /// A ring: the next request replaces the oldest.
    requests: Vec<Request>,
    next: usize,
    /// The index of each request in the ring.
    places: HashMap<u64, usize>,
}

#[derive(Debug)]
struct Request {
    id: u64,
    /// The number of each shape and its count.
    shapes: Vec<(u32, u32)>,
}

impl Requests {
    /// Counts a shape within the request of an event, and returns its count. 0 if the event has no request,
    /// or the request too many shapes.
    pub(super) fn count(&mut self, facts: &Facts<'_>, shape: u32) -> u32 {
        let Some(req) = &facts.req else { return 0 };
        let mut hasher = DefaultHasher::new();
        (&facts.host, &facts.subject, req).hash(&mut hasher);
        let place = self.place_of(hasher.finish());
        let shapes = &mut self.requests[place].shapes;
        let known = shapes.iter().position(|(known, _)| *known == shape);
        let at = match known {
            Some(at) => at,
            None if shapes.len() == SHAPES_MAX => return 0,
            None => {
                shapes.push((shape, 0));
                shapes.len() - 1
            }
        };
        let count = &mut shapes[at].1;
        *count = count.saturating_add(1);
        *count
    }

    fn place_of(&mut self, id: u64) -> usize {
        if let Some(place) = self.places.get(&id) {
            return *place;
        }
        let place = self.next;
        self.next = (place + 1) % REQUESTS_MAX;
        let request = Request { id, shapes: Vec::new() };
        match self.requests.get_mut(place) {
            Some(oldest) => {
                self.places.remove(&oldest.id);
                *oldest = request;
            }
            None => self.requests.push(request),
        }
        self.places.insert(id, place);
        place
    }

    /// Bytes on the heap.
    pub(super) fn size(&self) -> usize {
        let shapes = self.requests.iter().map(|request| request.shapes.capacity());
        shapes.sum::<usize>() * size_of::<(u32, u32)>()
            + self.requests.capacity() * (size_of::<Request>() + ALLOCATION)
            + map_size(&self.places)
    }
}
