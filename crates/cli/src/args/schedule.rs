use super::values;
use cadena::scheduler::{Job, Rule};
use clap::{Args, Subcommand};

#[derive(Debug, Args)]
pub struct ScheduleOptions {
    #[command(subcommand)]
    pub command: ScheduleCommand,
}

#[derive(Debug, Subcommand)]
pub enum ScheduleCommand {
    Show,
    Set(ScheduleSetOptions),
}

/// When a job is to run.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("when").required(true).multiple(true))]
pub struct ScheduleSetOptions {
    #[arg(value_name = "JOB", value_parser = values::job)]
    pub job: Job,
    #[arg(long, value_name = "N", value_parser = values::month_day, group = "when", conflicts_with = "weekday")]
    pub day: Option<u8>,
    #[arg(long, value_name = "DAY", value_parser = values::weekday, group = "when")]
    pub weekday: Option<u8>,
    #[arg(long, value_name = "N", value_parser = values::hour, group = "when")]
    pub hour: Option<u8>,
    #[arg(long, value_name = "N", value_parser = values::minute, group = "when")]
    pub minute: Option<u8>,
    #[arg(long, value_name = "PATTERN", value_parser = values::rule, group = "when")]
    #[arg(conflicts_with_all = ["day", "weekday", "hour", "minute"])]
    pub cron: Option<Rule>,
    #[arg(long, group = "when", conflicts_with_all = ["day", "weekday", "hour", "minute", "cron"])]
    pub off: bool,
    #[arg(long, group = "when", conflicts_with_all = ["day", "weekday", "hour", "minute", "cron", "off"])]
    pub default: bool,
}
