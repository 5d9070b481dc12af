//! `contrib/demo-cluster`.

use crate::harness::Tool;

#[test]
fn the_demo_of_a_cluster_loses_nothing() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/contrib/demo-cluster");
    let tools = std::path::Path::new(crate::harness::PULSED).parent().expect("a directory");
    let path = format!("{}:/usr/bin:/bin:/usr/sbin", tools.display());
    let output = Tool::new(script).args(&["-q", "-d", "9"]).env("PATH", &path).run();
    assert_eq!(output.code, Some(0), "{output:?}");
    assert_eq!(output.lines().len(), 3, "{output:?}");
    assert_eq!(output.err.matches("the engine is back").count(), 2, "{output:?}");
    Tool::new(script).args(&["-d", "5"]).run().failed(64, &["needs a number of seconds"]);
}
