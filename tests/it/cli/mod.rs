//! The command line as its users and their scripts meet it.

mod custody;
mod delta_tables;
mod dialects;
mod erase;
mod exit_codes;
mod ingest;
mod inspect;
mod lakes;
mod leftovers;
mod optimize;
mod other_commands;
mod other_kinds;
mod other_tools;
mod output;
mod profiles;
mod properties;
mod query;
mod returning;
mod settings;
mod shell;
mod signals;
mod stats;
mod strict;
mod verify;
mod zones;
