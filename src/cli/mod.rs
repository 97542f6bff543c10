//! The command line: one file per command, which parses, calls and prints.
//!
//! On a server it works through [`crate::client`], on a local project through [`crate::service`]; commands
//! see neither, but a `target::Target`.

mod access;
mod account;
mod age;
mod agent;
mod audit;
mod backup;
mod bench;
mod change;
mod check;
mod client;
mod complete;
mod completions;
mod demo;
mod diff;
mod duration;
mod edit;
mod env;
mod error;
mod explain;
mod export;
mod first_start;
mod fsck;
mod get;
mod history;
mod import;
mod init;
mod layer_change;
mod local;
mod local_access;
mod local_look;
mod local_promote;
mod local_read;
mod log;
mod logging;
mod ls;
mod options;
mod output;
mod patch;
mod path_argument;
mod preview;
mod progress;
mod promote;
mod proposal;
mod ready;
mod restore;
mod rollback;
mod run;
mod search;
mod serve;
mod set;
mod shown;
mod signal_argument;
mod status;
mod table;
mod target;
mod tree;
mod unset;
mod value_argument;
mod voice;
mod watch;
mod whoami;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use error::{CliError, Exit};
use options::Options;
use output::Output;

use crate::bench::BenchArgs;

/// A configuration server whose database is a Git repository
#[derive(Debug, Parser)]
#[command(
    name = "confgit",
    version,
    propagate_version = false,
    disable_help_subcommand = true,
    arg_required_else_help = true,
    after_help = "Try it: `confgit demo` starts a server with example configuration.\n\n\
        Exit codes: 0 done; 1 failed; 2 wrong usage, or a request that makes no sense; 3 not found; 4 not allowed or not valid; \
        5 something else is there by now."
)]
struct Cli {
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::Demo),
    Init(init::Init),
    Serve(serve::Serve),
    Get(get::Get),
    Set(set::Set),
    Unset(unset::Unset),
    Ls(ls::Ls),
    Tree(tree::Tree),
    Search(search::Search),
    Patch(patch::Patch),
    Import(import::Import),
    Check(check::Check),
    History(history::History),
    Diff(diff::Diff),
    Explain(explain::Explain),
    Export(export::Export),
    Log(log::Log),
    Watch(watch::Watch),
    Run(run::Run),
    Agent(agent::Agent),
    Rollback(rollback::Rollback),
    Preview(preview::Preview),
    Promote(promote::Promote),
    Proposal(proposal::Proposal),
    Env(env::Env),
    Account(account::Account),
    Access(access::Access),
    Audit(audit::Audit),
    Client(client::Client),
    Whoami(whoami::Whoami),
    Status(status::Status),
    Ready(ready::Ready),
    Backup(backup::Backup),
    Restore(restore::Restore),
    Fsck(fsck::Fsck),
    Bench(BenchArgs),
    Completions(completions::Completions),
}

/// Reads the arguments of this process, does what they say, and answers how it went.
pub fn run() -> ExitCode {
    if complete::answered() {
        return ExitCode::SUCCESS;
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help that nobody reads to its end is no failure.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage.into() } else { ExitCode::SUCCESS };
        }
    };
    let mut output = Output::stdout(&cli.options);
    let result = dispatch(cli.command, &cli.options, &mut output).and_then(|()| output.finish());
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is_closed_pipe() => ExitCode::SUCCESS,
        // What the command had to say, it said itself.
        Err(CliError::Ended { code }) => ExitCode::from(code),
        Err(error) => {
            let _ = output.finish();
            output::report(&error, &cli.options);
            error.exit().into()
        }
    }
}

fn dispatch(command: Command, options: &Options, output: &mut Output) -> Result<(), CliError> {
    match command {
        Command::Demo(demo) => options.without_target("demo").and_then(|()| demo.run(options)),
        Command::Init(init) => options.without_target("init").and_then(|()| init.run(output)),
        Command::Serve(serve) => options.without_target("serve").and_then(|()| serve.run(options)),
        Command::Get(get) => get.run(options, output),
        Command::Set(set) => set.run(options, output),
        Command::Unset(unset) => unset.run(options, output),
        Command::Ls(ls) => ls.run(options, output),
        Command::Search(search) => search.run(options, output),
        Command::Patch(patch) => patch.run(options, output),
        Command::Diff(diff) => diff.run(options, output),
        Command::Explain(explain) => explain.run(options, output),
        Command::Export(export) => export.run(options, output),
        Command::Env(env) => env.run(options, output),
        Command::Account(account) => account.run(options, output),
        Command::Access(access) => access.run(options, output),
        Command::Audit(audit) => audit.run(options, output),
        Command::Whoami(whoami) => whoami.run(options, output),
        Command::Tree(tree) => tree.run(options, output),
        Command::History(history) => history.run(options, output),
        Command::Import(import) => import.run(options, output),
        Command::Check(check) => check.run(options, output),
        Command::Log(log) => log.run(options, output),
        Command::Watch(watch) => watch.run(options, output),
        Command::Run(run) => match run.run(options)? {
            0 => Ok(()),
            code => Err(CliError::Ended { code }),
        },
        Command::Agent(agent) => agent.run(options),
        Command::Client(client) => client.run(options, output),
        Command::Rollback(rollback) => rollback.run(options, output),
        Command::Preview(preview) => preview.run(options, output),
        Command::Proposal(proposal) => proposal.run(options, output),
        Command::Promote(promote) => promote.run(options, output),
        Command::Status(status) => status.run(options, output),
        Command::Ready(ready) => ready.run(options, output),
        Command::Backup(backup) => backup.run(options, output),
        Command::Restore(restore) => {
            options.without_target("restore").and_then(|()| restore.run(options, output))
        }
        Command::Fsck(fsck) => fsck.run(options, output),
        Command::Bench(arguments) => {
            options.without_target("bench").and_then(|()| bench::run(&arguments, output))
        }
        Command::Completions(completions) => completions.run(output),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_commands_are_consistent_and_all_have_help() {
        let mut command = Cli::command();
        command.build();
        command.clone().debug_assert();
        for sub in command.get_subcommands() {
            let name = sub.get_name();
            assert!(sub.get_about().is_some(), "{name} has no short help");
            assert!(sub.get_long_about().is_some(), "{name} has no long help");
            assert!(sub.get_after_help().is_some(), "{name} has no example");
            for argument in sub.get_arguments() {
                assert!(argument.get_help().is_some(), "{name} {} has no help", argument.get_id());
            }
        }
    }

    #[test]
    fn a_key_in_the_environment_is_not_in_the_help() {
        let mut command = Cli::command();
        let help = command.render_long_help().to_string();
        assert!(help.contains("CONFGIT_TOKEN") && !help.contains("CONFGIT_TOKEN="), "{help}");
    }
}
