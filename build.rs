//! Recompiles the crate when GraphiQL's page was rebuilt. The macro that embeds the page does not detect this.

fn main() {
    println!("cargo:rerun-if-changed=web/dist");
}
