//! The files of the page, embedded in the program.

use std::io::Write as _;
use std::sync::OnceLock;

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::StatusCode;
use hyper::header::{self, HeaderMap, HeaderValue};

use super::respond::{Reply, empty, error_with, reply};
use crate::wire::Code;

/// The name of the page itself.
pub(super) const PAGE: &str = "index.html";

/// One file.
struct Asset {
    name: &'static str,
    text: &'static str,
    prepared: OnceLock<Prepared>,
}

/// What a file is served with, made when it is first asked for.
struct Prepared {
    etag: HeaderValue,
    compressed: Bytes,
}

macro_rules! assets {
    ($($name:literal),* $(,)?) => {
        [$(Asset {
            name: $name,
            text: include_str!(concat!("page/", $name)),
            prepared: OnceLock::new(),
        }),*]
    };
}

static ASSETS: [Asset; 93] = assets![
    "app.js",
    "icon.svg",
    "index.html",
    "state.js",
    "types.js",
    "draw/canvas.js",
    "draw/dom.js",
    "draw/format.js",
    "draw/levels.js",
    "draw/spark.js",
    "event/detail.css",
    "event/detail.js",
    "event/drawer.js",
    "event/neighbours.js",
    "event/row.js",
    "feed/connection.js",
    "feed/cursor.js",
    "feed/delta.js",
    "feed/feed-worker.js",
    "feed/feed.js",
    "feed/hub.js",
    "feed/pages.js",
    "feed/request.js",
    "feed/seen.js",
    "feed/sse.js",
    "feed/subscription.js",
    "feed/tab.js",
    "filter/complete.js",
    "filter/filter-box.js",
    "filter/filter.css",
    "filter/filter.js",
    "queries/errors.js",
    "queries/heat-scale.js",
    "queries/heat.js",
    "queries/queries.css",
    "queries/queries.js",
    "queries/running.js",
    "queries/shapes.js",
    "shell/alerts.js",
    "shell/empty.js",
    "shell/header.css",
    "shell/header.js",
    "shell/hosts.js",
    "shell/keys.js",
    "shell/lag.js",
    "shell/menu.js",
    "shell/notices.js",
    "shell/notify.js",
    "shell/page.css",
    "shell/panels.css",
    "shell/panels.js",
    "shell/pause.js",
    "shell/period.js",
    "shell/rates-chart.js",
    "shell/tabs.js",
    "shell/theme.js",
    "shell/tiles.js",
    "stack/colors.js",
    "stack/column.js",
    "stack/flights.js",
    "stack/labels.js",
    "stack/layers.js",
    "stack/model.js",
    "stack/open.js",
    "stack/paint.js",
    "stack/runs.js",
    "stack/selection.js",
    "stack/source.js",
    "stack/stack.css",
    "stack/stack.js",
    "stack/tally.js",
    "stack/tip.js",
    "stack/wall.js",
    "stream/export.js",
    "stream/history.js",
    "stream/hold.js",
    "stream/list.js",
    "stream/runs.js",
    "stream/store.js",
    "stream/stream.css",
    "stream/stream.js",
    "tables/examples.js",
    "tables/requests.js",
    "tables/shape.js",
    "tables/source.js",
    "tables/table-order.js",
    "tables/table-rows.js",
    "tables/table.css",
    "tables/table.js",
    "tables/trail.js",
    "tables/who.js",
    "users/users.css",
    "users/users.js",
];

impl Asset {
    fn prepared(&self) -> &Prepared {
        self.prepared.get_or_init(|| {
            let hash = digest(&SHA256, self.text.as_bytes());
            let digits: String =
                hash.as_ref()[..12].iter().map(|byte| format!("{byte:02x}")).collect();
            let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
            // Writing to memory does not fail.
            let _ = encoder.write_all(self.text.as_bytes());
            Prepared {
                etag: HeaderValue::from_str(&format!("\"{digits}\""))
                    .unwrap_or(HeaderValue::from_static("\"\"")),
                compressed: encoder.finish().unwrap_or_default().into(),
            }
        })
    }

    fn content_type(&self) -> &'static str {
        match self.name.rsplit_once('.') {
            Some((_, "html")) => "text/html; charset=utf-8",
            Some((_, "js")) => "text/javascript; charset=utf-8",
            Some((_, "css")) => "text/css; charset=utf-8",
            Some((_, "svg")) => "image/svg+xml",
            _ => "text/plain; charset=utf-8",
        }
    }
}

/// Serves a file: compressed if the client accepts it, and not again if it has it.
pub(super) fn respond(name: &str, headers: &HeaderMap) -> Reply {
    let Some(asset) = ASSETS.iter().find(|asset| asset.name == name) else {
        return error_with(StatusCode::NOT_FOUND, Code::Usage, "no such file");
    };
    let value = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let prepared = asset.prepared();
    let etag = prepared.etag.to_str().unwrap_or_default();
    let known = value(header::IF_NONE_MATCH).is_some_and(|known| known.contains(etag));
    let gzip = value(header::ACCEPT_ENCODING).is_some_and(|accepted| accepted.contains("gzip"));
    let mut served = match (known, gzip) {
        (true, _) => empty(StatusCode::NOT_MODIFIED),
        (false, true) => reply(StatusCode::OK, asset.content_type(), prepared.compressed.clone()),
        (false, false) => reply(StatusCode::OK, asset.content_type(), asset.text),
    };
    let headers = served.headers_mut();
    if gzip && !known {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    headers.insert(header::ETAG, prepared.etag.clone());
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    // Kept, and asked for each time: a new agent's page is there at once.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    served
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    fn files(dir: &Path, prefix: &str, found: &mut BTreeSet<String>) {
        for entry in fs::read_dir(dir).expect("a directory") {
            let entry = entry.expect("an entry");
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            if entry.path().is_dir() {
                files(&entry.path(), &format!("{name}/"), found);
            } else {
                found.insert(name);
            }
        }
    }

    #[test]
    fn embeds_every_file_of_the_page() {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/agent/http/page");
        let mut found = BTreeSet::new();
        files(&page, "", &mut found);
        let embedded: BTreeSet<_> = ASSETS.iter().map(|asset| asset.name.to_owned()).collect();
        assert_eq!(embedded, found);
    }

    #[test]
    fn serves_a_file_once_to_a_client_that_keeps_it() {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("br, gzip"));
        let first = respond(PAGE, &headers);
        assert_eq!(first.status(), StatusCode::OK);
        assert_eq!(first.headers()[header::CONTENT_ENCODING], "gzip");
        headers.insert(header::IF_NONE_MATCH, first.headers()[header::ETAG].clone());
        assert_eq!(respond(PAGE, &headers).status(), StatusCode::NOT_MODIFIED);
        assert_eq!(respond("../mod.rs", &headers).status(), StatusCode::NOT_FOUND);
    }
}
