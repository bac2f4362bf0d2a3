//! The default subscriber: it writes the events and log records of the program as lines.

use super::writer::one_line;
use log::LevelFilter;
use std::{
    env,
    fmt::{self, Write},
};
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
    span,
};
use tracing_log::{AsTrace, LogTracer, NormalizeEvent};
use tracing_subscriber::{
    Layer, Registry,
    filter::{LevelFilter as TraceLevelFilter, Targets},
    layer::{Context, SubscriberExt},
    registry::{LookupSpan, Scope},
};

/// The target of the spans of requests. Spans cost time for each request, so the default
/// subscriber creates none below the debug level, unless `RUST_LOG` names this target.
pub(crate) const REQUEST_TARGET: &str = "highwater_server::request";

/// The target of failed requests and panics.
pub(super) const ERROR_TARGET: &str = "highwater_server::error";

/// The environment variable with the levels of targets.
const LEVELS_VARIABLE: &str = "RUST_LOG";

/// Libraries that log each message of a connection at debug level.
const VERBOSE_LIBRARIES: [&str; 2] = ["h2", "rustls"];

/// The levels of all targets.
#[derive(Clone, Debug)]
pub(super) struct Levels {
    targets: Targets,
    /// The reason why the environment variable is ignored.
    pub(super) error: Option<String>,
}

impl Levels {
    /// Returns the levels for a log level and the environment variable, which takes
    /// precedence.
    pub(super) fn new(level: LevelFilter) -> Self {
        Self::from_variable(level, &env::var(LEVELS_VARIABLE).unwrap_or_default())
    }

    fn from_variable(level: LevelFilter, variable: &str) -> Self {
        let level = level.as_trace();
        let is_empty = variable.trim().is_empty();
        let (variable, error) = match variable.parse::<Targets>() {
            Ok(targets) if !is_empty => (targets, None),
            Err(cause) if !is_empty => {
                let cause = one_line(&cause.to_string());
                let error = format!(
                    "{LEVELS_VARIABLE} is ignored ({cause}); valid is, for example, \
                     info,shop::mail=debug"
                );
                (Targets::new(), Some(error))
            }
            _ => (Targets::new(), None),
        };
        let level = variable.default_level().unwrap_or(level);
        let has_spans = level >= TraceLevelFilter::DEBUG;
        let spans = if has_spans {
            level
        } else {
            TraceLevelFilter::OFF
        };
        let library = level.min(TraceLevelFilter::INFO);
        let targets = Targets::new()
            .with_default(level)
            .with_target(REQUEST_TARGET, spans)
            .with_targets(VERBOSE_LIBRARIES.map(|name| (name, library)))
            .with_targets(variable);
        Levels { targets, error }
    }

    pub(super) fn is_enabled(&self, target: &str, level: log::Level) -> bool {
        self.targets.would_enable(target, &level.as_trace())
    }
}

/// Makes the default subscriber that of this process, unless the program has installed its
/// own one. The same applies to `log` records. Returns true if events are written as lines,
/// by `write`.
pub(super) fn install(levels: &Levels, write: fn(String)) -> bool {
    let subscriber = Registry::default()
        .with(levels.targets.clone())
        .with(LineLayer { write });
    let is_default = tracing::subscriber::set_global_default(subscriber).is_ok();
    let max_level = tracing::level_filters::LevelFilter::current();
    let max_level = tracing_log::AsLog::as_log(&max_level);
    // Fails if the program has installed its own logger.
    let _ = LogTracer::builder().with_max_level(max_level).init();
    is_default
}

/// A layer that writes each event as a line: the level, the target, the message, and the
/// fields of the event and its spans.
struct LineLayer {
    write: fn(String),
}

impl<S> Layer<S> for LineLayer
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, span: &span::Attributes<'_>, id: &span::Id, context: Context<'_, S>) {
        if let Some(data) = context.span(id) {
            let mut fields = Fields::default();
            span.record(&mut fields);
            data.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &span::Id, values: &span::Record<'_>, context: Context<'_, S>) {
        if let Some(data) = context.span(id)
            && let Some(fields) = data.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let normalized = event.normalized_metadata();
        let metadata = normalized.as_ref().unwrap_or_else(|| event.metadata());
        let mut fields = Fields::default();
        event.record(&mut fields);
        let mut line = format!("{} ", metadata.level());
        // The server's own messages need neither.
        let is_own = metadata.target() == REQUEST_TARGET;
        if !is_own {
            let _infallible = write!(line, "{}: ", metadata.target());
        }
        line.push_str(&fields.message);
        line.push_str(&fields.others);
        let spans = context.event_scope(event).filter(|_| !is_own);
        for span in spans.into_iter().flat_map(Scope::from_root) {
            if let Some(fields) = span.extensions().get::<Fields>() {
                line.push_str(&fields.others);
            }
        }
        (self.write)(one_line(&line));
    }
}

/// Fields as text.
#[derive(Debug, Default)]
struct Fields {
    message: String,
    /// The other fields, each as ` key=value`.
    others: String,
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let name = field.name();
        // Writing to a string cannot fail.
        let _infallible = match name {
            "message" => write!(self.message, "{value:?}"),
            // The metadata of a `log` record.
            _ if name.starts_with("log.") => Ok(()),
            _ => write!(self.others, " {name}={value:?}"),
        };
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let is_plain = |byte: &u8| byte.is_ascii_graphic() && !b"\"\\=".contains(byte);
        if field.name() != "message" && (value.is_empty() || !value.as_bytes().iter().all(is_plain))
        {
            return self.record_debug(field, &value);
        }
        self.record_debug(field, &format_args!("{value}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::Level;

    #[test]
    fn variable_takes_precedence_over_the_level() {
        use log::Level::{Debug, Error, Info, Trace, Warn};
        let error = ERROR_TARGET;
        for (level, variable, target, enabled, disabled) in [
            (LevelFilter::Info, "", error, Some(Info), Some(Debug)),
            (LevelFilter::Info, " ", "shop", Some(Info), Some(Debug)),
            (LevelFilter::Info, "", REQUEST_TARGET, None, Some(Error)),
            (
                LevelFilter::Debug,
                "",
                REQUEST_TARGET,
                Some(Debug),
                Some(Trace),
            ),
            (LevelFilter::Debug, "", "h2::codec", Some(Info), Some(Debug)),
            (LevelFilter::Off, "", error, None, Some(Error)),
            (LevelFilter::Debug, "warn", error, Some(Warn), Some(Info)),
            (
                LevelFilter::Warn,
                "debug",
                REQUEST_TARGET,
                Some(Debug),
                Some(Trace),
            ),
            (
                LevelFilter::Warn,
                "shop=trace",
                error,
                Some(Warn),
                Some(Info),
            ),
            (
                LevelFilter::Warn,
                "shop=trace",
                "shop::mail",
                Some(Trace),
                None,
            ),
            (
                LevelFilter::Info,
                "highwater_server::request=info",
                REQUEST_TARGET,
                Some(Info),
                Some(Debug),
            ),
            (LevelFilter::Warn, "h2=trace", "h2", Some(Trace), None),
            (
                LevelFilter::Warn,
                "shop=loud",
                "shop",
                Some(Warn),
                Some(Info),
            ),
        ] {
            let levels = Levels::from_variable(level, variable);
            let context = format!("{level} {variable:?} {target}");
            assert!(
                enabled.is_none_or(|it| levels.is_enabled(target, it)),
                "{context}"
            );
            assert!(
                !disabled.is_some_and(|it| levels.is_enabled(target, it)),
                "{context}"
            );
            assert_eq!(
                levels.error.is_some(),
                variable.contains("loud"),
                "{context}"
            );
        }
    }

    /// Collects the lines of one event.
    fn fields_of(record: impl FnOnce()) -> Vec<String> {
        struct Collector(std::sync::Arc<std::sync::Mutex<Vec<String>>>);
        impl<S: Subscriber> Layer<S> for Collector {
            fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
                let mut fields = Fields::default();
                event.record(&mut fields);
                self.0.lock().unwrap().push(fields.message + &fields.others);
            }
        }
        let lines = std::sync::Arc::default();
        let collector = Collector(std::sync::Arc::clone(&lines));
        tracing::subscriber::with_default(Registry::default().with(collector), record);
        std::mem::take(&mut *lines.lock().unwrap())
    }

    #[test]
    fn values_are_quoted_where_needed() {
        let lines = fields_of(|| {
            tracing::event!(
                Level::INFO,
                plain = "a/b",
                spaced = "a b",
                fake = "x id=1",
                "sent"
            );
            tracing::event!(Level::INFO, empty = "", count = 3, yes = true, shown = %"a b");
        });
        assert_eq!(
            lines,
            [
                r#"sent plain=a/b spaced="a b" fake="x id=1""#,
                r#" empty="" count=3 yes=true shown=a b"#,
            ]
        );
    }
}
