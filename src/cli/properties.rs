//! `sessionlake properties`: shows and sets what a lake says of how it is kept.

use chrono::Utc;
use clap::Args as ClapArgs;
use sessionlake::custody;
use sessionlake::lake::properties::{PROPERTIES, Property};
use sessionlake::{Error, Result};

use super::exit;
use super::ingest::limits;
use super::printer::{OutputArgs, Printer, listing};
use super::shared::Shared;

/// Shows what the lake says of how it is kept, or sets it for all who write the lake.
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "The names may be given without sessionlake. before them. They stand in the log of workflow_sessions, where other programs know \
                        them as table properties.\n\n\
                        Examples:\n  sessionlake properties\n  sessionlake properties retention=400d leaves=128\n  \
                        sessionlake properties --unset retention"
)]
pub struct Args {
    /// Properties to set, such as upkeep.files=16
    #[arg(value_name = "NAME=VALUE")]
    set: Vec<String>,
    /// A property to take away; may be repeated
    #[arg(long, value_name = "NAME")]
    unset: Vec<String>,
    #[command(flatten)]
    output: OutputArgs,
}

/// Runs the command.
///
/// # Errors
/// No lake there; a name or value that is none; storage errors, conflicts.
pub async fn run(shared: &Shared, args: Args) -> Result<u8> {
    let settings = shared.settings()?;
    let lake = settings.lake()?;
    let mut changes: Vec<(String, Option<String>)> = Vec::new();
    for given in &args.set {
        let Some((name, value)) = given.split_once('=') else {
            return Err(Error::usage(format!("{given:?} is no NAME=VALUE"))
                .with_hint("write it as upkeep.files=16, or --unset NAME to take a property away"));
        };
        let property = Property::named(name.trim())?;
        property.check(value.trim())?;
        changes.push((property.name.to_owned(), Some(value.trim().to_owned())));
    }
    for name in &args.unset {
        changes.push((Property::named(name.trim())?.name.to_owned(), None));
    }
    for (at, (name, _)) in changes.iter().enumerate() {
        if changes.iter().skip(at + 1).any(|(other, _)| other == name) {
            return Err(Error::usage(format!("the property {name} is given twice")));
        }
    }
    if !changes.is_empty() {
        let version = custody::set_properties(&lake, &changes, Utc::now(), &limits(&settings)).await?;
        if !shared.quiet {
            exit::note(&match version {
                Some(version) => format!("the lake is at version {version}"),
                None => "the lake says so already: nothing to do".to_owned(),
            });
        }
    }
    let held = custody::properties(&lake).await?;
    let rows = PROPERTIES.iter().map(|property| {
        let value = held.iter().find(|(name, _)| *name == property.name).and_then(|(_, value)| value.clone());
        vec![
            property.name.to_owned(),
            value.unwrap_or_default(),
            property.unless_set.to_owned(),
            property.meaning.to_owned(),
        ]
    });
    let mut printer = Printer::new(&args.output, shared, &settings).await?;
    printer.print(&listing(&["property", "value", "unless set", "meaning"], rows)?)?;
    printer.commit().await?;
    Ok(exit::FINE)
}
