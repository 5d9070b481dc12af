//! A real application that knows nothing of Pulse: WordPress, from Debian's package, on MariaDB. One
//! `auto_prepend_file` line shows its users, pages and errors live, and one link its queries.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use super::mariadb::{MariaDb, PROGRAMS};
use super::site::{Pool, Site, are_installed, can_start, library};
use crate::harness::{Agent, parse, wait_for};

/// Where Debian's package installs it.
const WORDPRESS: &str = "/usr/share/wordpress";

/// What WordPress needs of PHP.
const EXTENSIONS: [&str; 2] = ["mysqlnd", "mysqli"];

/// A copy of WordPress, with a configuration of its own.
struct WordPress {
    dir: TempDir,
    jar: String,
}

impl WordPress {
    fn copy(database: &MariaDb) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let site = Self { jar: dir.path().join("jar").display().to_string(), dir };
        let copied =
            crate::harness::Tool::new("cp").args(&["-aL", WORDPRESS]).arg(site.root()).run();
        assert_eq!(copied.code, Some(0), "{copied:#?}");
        let settings = [
            ("DB_NAME", "wordpress".to_owned()),
            ("DB_USER", "root".into()),
            ("DB_PASSWORD", String::new()),
            ("DB_HOST", format!("localhost:{}", database.socket().display())),
            ("DB_CHARSET", "utf8mb4".into()),
            ("DB_COLLATE", String::new()),
            ("WP_HOME", "http://site".into()),
            ("WP_SITEURL", "http://site".into()),
        ];
        let mut text = "<?php\n".to_owned();
        for (name, value) in settings {
            text += &format!("define('{name}', '{value}');\n");
        }
        for name in ["DISABLE_WP_CRON", "WP_HTTP_BLOCK_EXTERNAL", "AUTOMATIC_UPDATER_DISABLED"] {
            text += &format!("define('{name}', true);\n");
        }
        text += "$table_prefix = 'wp_';\nrequire ABSPATH . 'wp-settings.php';\n";
        let _ = fs::remove_file(site.root().join("wp-config.php"));
        fs::write(site.root().join("wp-config.php"), text).expect("a writable directory");
        site
    }

    fn root(&self) -> PathBuf {
        self.dir.path().join("wordpress")
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.root().join("wp-content").join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a writable directory");
        fs::write(path, text).expect("a writable directory");
    }

    /// Requests a page as the user who has logged in.
    fn get(&self, site: &Site, pool: &str, target: &str, more: &[&str]) -> String {
        let cookies = ["-b", &self.jar, "-c", &self.jar];
        site.text(pool, target, &[&cookies, more].concat())
    }

    fn install(&self, site: &Site) {
        let form = "weblog_title=Shop&user_name=anna&admin_password=secret&admin_password2=secret&pw_weak=1\
            &admin_email=anna@example.org";
        let done = self.get(site, "plain", "/wp-admin/install.php?step=2", &["-d", form]);
        assert!(done.contains("Success!"), "{done}");
    }

    fn log_in(&self, site: &Site) {
        // The form sets a cookie that it wants back.
        self.get(site, "pulse", "/wp-login.php", &[]);
        let form = ["-d", "log=anna&pwd=secret&testcookie=1"];
        let done = self.get(site, "pulse", "/wp-login.php", &form);
        assert!(done.starts_with("HTTP/1.1 302"), "{done}");
    }
}

fn wait_for_event(agent: &Agent, matching: &str) -> Value {
    let request = format!("{{\"match\":{}}}", Value::from(matching));
    wait_for(matching, || {
        let lines = agent.connect().tail(&request);
        let item = lines.iter().map(|line| parse(line)).find(|item| item.msg().is_some());
        item.map(|item| item.event().clone())
    })
}

/// The first snapshot of a view for which `condition` holds.
fn view(agent: &Agent, name: &str, condition: impl Fn(&Value) -> bool) -> Value {
    let mut client = agent.connect();
    client.write(format!("VIEW {{\"name\":\"{name}\",\"every\":0.2}}\n"));
    wait_for(&format!("the view {name}"), || {
        let snapshot: Value = serde_json::from_str(&client.line()).expect("a JSON object");
        condition(&snapshot).then_some(snapshot)
    })
}

/// The answer without what differs from one second to the next.
fn assert_same_page(wordpress: &WordPress, site: &Site, target: &str) {
    wait_for(&format!("{target} that is the same in both pools"), || {
        let plain = wordpress.get(site, "plain", target, &[]);
        let pulse = wordpress.get(site, "pulse", target, &[]);
        assert!(plain.starts_with("HTTP/1.1 200"), "{target}: {plain}");
        // A page may contain the time in seconds.
        (plain == pulse).then_some(())
    });
}

#[test]
fn wordpress_shows_users_pages_queries_and_errors() {
    let what = "WordPress, with the PHP library";
    if !can_start(what) || !are_installed(&PROGRAMS, what) || !Path::new(WORDPRESS).exists() {
        return;
    }
    let agent = Agent::start();
    let mut database = MariaDb::start("wordpress");
    let wordpress = WordPress::copy(&database);
    let mut pools = [Pool::plain(), Pool::with_library("pulse", &agent.socket())];
    pools.iter_mut().for_each(|pool| pool.settings.push("display_errors=0"));
    let site = Site::start_with(&wordpress.root(), &pools, &EXTENSIONS);
    wordpress.install(&site);
    wordpress.log_in(&site);
    for target in [
        "/",
        "/?s=hello",
        "/wp-login.php",
        "/wp-admin/index.php",
        "/wp-admin/edit.php",
        "/wp-admin/users.php",
    ] {
        assert_same_page(&wordpress, &site, target);
    }
    let ended =
        wait_for_event(&agent, "tag=php.request took>=0 user=anna page=/wp-admin/users.php");
    assert_eq!(
        (&ended["fields"]["status"], &ended["msg"]),
        (&200.into(), &"GET /wp-admin/users.php".into())
    );

    symlink(library("wordpress/db.php"), wordpress.root().join("wp-content/db.php"))
        .expect("a writable directory");
    assert_same_page(&wordpress, &site, "/wp-admin/edit.php");
    let query = wait_for_event(&agent, "tag=php.query took>=0 msg~wp_posts");
    assert_eq!(query["fields"]["page"], "/wp-admin/edit.php", "{query}");
    let shapes = view(&agent, "queries", |shown| {
        shown["shapes"].as_array().is_some_and(|shapes| shapes.len() > 3)
    });
    assert!(shapes["shapes"].to_string().contains("SELECT"), "{shapes}");

    let plugin = "<?php add_action('init', function () { if (isset($_GET['broken'])) {
        throw new LogicException('the basket is broken'); } });";
    wordpress.write("mu-plugins/shop.php", plugin);
    let broken = wordpress.get(&site, "pulse", "/?broken=1", &[]);
    assert!(broken.starts_with("HTTP/1.1 500"), "{broken}");
    let error = wait_for_event(&agent, "tag=php.error");
    assert!(
        error["msg"]
            .as_str()
            .is_some_and(|msg| msg.starts_with("Uncaught LogicException: the basket is broken"))
    );
    assert_eq!(error["fields"]["user"], "anna", "{error}");
    let users = view(&agent, "users", |shown| shown["users"][0]["errors"] == 2);
    assert_eq!(
        (&users["users"][0]["user"], &users["users"][0]["page"]),
        (&"anna".into(), &"/".into()),
        "{users}"
    );

    database.kill();
    let away = wordpress.get(&site, "pulse", "/", &[]);
    assert!(away.starts_with("HTTP/1.1 500"), "{away}");
    wait_for_event(&agent, "tag=php.request status=500 level=err page=/");
}
