//! The command line of Howdah with the functions of the tests: what a user's own binary looks like to a cluster.

use std::process::ExitCode;

use howdah_tests::rdd::functions::registry;

fn main() -> ExitCode {
    howdah_driver::cli::run(std::env::args_os().collect(), registry())
}
