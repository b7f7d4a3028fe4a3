//! Compiles anew when GraphiQL's page was built after the last compilation: the macro that embeds it does not notice.

fn main() {
    println!("cargo:rerun-if-changed=web/dist");
}
