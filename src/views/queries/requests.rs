//! How often each shape occurs within one request: many times the same is a query in a loop, N+1.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use crate::views::facts::Facts;
use crate::views::table::map_size;
use crate::views::text::ALLOCATION;

/// How many requests are counted at a time: those that began last.
pub const REQUESTS_MAX: usize = 1000;

/// The most shapes that are counted in one request.
const SHAPES_MAX: usize = 64;

/// The most bytes of all of them: each has its shapes and its places.
pub(super) const BYTES_MAX: usize =
    REQUESTS_MAX * (SHAPES_MAX * size_of::<(u32, u32)>() + 2 * size_of::<Request>());

/// The requests that began last.
#[derive(Debug, Default)]
pub(super) struct Requests {
    /// In a round; the next one takes the place of the oldest.
    requests: Vec<Request>,
    next: usize,
    /// The place of each.
    places: HashMap<u64, usize>,
}

#[derive(Debug)]
struct Request {
    id: u64,
    /// How often each shape occurred, by its number.
    shapes: Vec<(u32, u32)>,
}

impl Requests {
    /// Counts a shape in the request of an event: how often it has occurred there, 0 if that is not
    /// known.
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
