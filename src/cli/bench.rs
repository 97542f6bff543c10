use super::CliError;
use super::age::now;
use super::options::OutputFormat;
use super::output::Output;
use crate::bench::{BenchArgs, execute, render_table};

/// Runs the measurements and prints their report.
pub fn run(arguments: &BenchArgs, output: &mut Output) -> Result<(), CliError> {
    let report = execute(arguments, now()).map_err(|error| CliError::Failed(error.to_string()))?;
    // The yardstick, which the bench itself starts, has no report.
    let Some(report) = report else { return Ok(()) };
    if output.format() == OutputFormat::Table {
        output.text(&render_table(&report, output.width()))?;
    } else {
        output.data(&report)?;
    }
    output.finish()?;
    if report.passed() {
        Ok(())
    } else {
        Err(CliError::Failed("a figure is not what it must be, or calls failed: see the report".to_owned()))
    }
}
