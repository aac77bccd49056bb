//! The README's table of mechanisms is the table of the code.

use std::fs;
use std::path::Path;

const BEGIN: &str = "<!-- mechanisms: written by `README=write cargo test -p azihsm-mechanisms --test readme` -->\n";
const END: &str = "<!-- end of mechanisms -->";

#[test]
fn the_readme_lists_the_mechanisms_of_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = fs::read_to_string(&path).expect("README.md");
    let (before, rest) = readme.split_once(BEGIN).expect("the mark before the table");
    let (written, after) = rest.split_once(END).expect("the mark after the table");
    let table = mechanisms::table::markdown();
    if std::env::var("README").is_ok_and(|value| value == "write") {
        fs::write(&path, format!("{before}{BEGIN}{table}{END}{after}")).expect("README.md is writable");
    } else {
        assert_eq!(written, table, "write it anew as the mark says");
    }
}
