//! stub
use crate::event::Draft;
#[derive(Debug, Default)]
pub(super) struct Syslog;
pub(super) struct Taken<'b> {
    pub(super) consumed: usize,
    pub(super) draft: Option<Draft<'b>>,
}
impl Syslog {
    pub(super) fn next<'b>(&mut self, buffer: &'b [u8], _at_end: bool) -> Taken<'b> {
        Taken { consumed: buffer.len(), draft: None }
    }
}
