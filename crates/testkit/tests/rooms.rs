//! The workspace itself keeps to its rooms. Run alone by scripts/check-rooms.

use std::path::Path;

#[test]
fn every_crate_keeps_to_its_room() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    assert!(root.join("crates/testkit/src/rooms.rs").is_file(), "{} is not the workspace", root.display());
    let violations = testkit::check_rooms(root);
    let list: Vec<String> = violations.iter().map(ToString::to_string).collect();
    assert!(list.is_empty(), "rules of ARCHITECTURE.md are broken:\n{}", list.join("\n"));
}
