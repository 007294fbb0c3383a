//! The `howdah-driver` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    howdah_driver::cli::main()
}
