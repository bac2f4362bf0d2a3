//! The general path of an emit: monitors, conditional listeners and failures.

use super::{
    EmitError, Emitter, Failure, FailurePolicy,
    listener::{CallDecision, ListenerEntry},
    listener_table::ListenerTable,
    monitor::{DeliveryObserver, MonitoredEmit, NoObserver},
    subscription::Registry,
};
use crate::BoxError;
use std::{ops::ControlFlow, sync::atomic::Ordering};

/// The progress of an emit, and the failures that had no observer.
#[derive(Default)]
pub(super) struct Progress {
    pub(super) delivered: usize,
    pub(super) failures: Vec<Failure>,
}

impl Progress {
    pub(super) fn into_result(self) -> Result<usize, EmitError> {
        if self.failures.is_empty() {
            Ok(self.delivered)
        } else {
            Err(EmitError::new(self.delivered, self.failures))
        }
    }
}

impl<E: ?Sized + 'static> Emitter<E> {
    /// Emits to a table with monitors or conditional listeners.
    #[inline(never)]
    pub(super) fn emit_general(
        &self,
        table: &ListenerTable<E>,
        event: &E,
    ) -> Result<usize, EmitError> {
        let mut progress = Progress::default();
        self.count_if_unhandled(table);
        if table.monitors().is_empty() {
            self.deliver(table.listeners(), event, &mut progress, &mut NoObserver);
        } else {
            let mut observer =
                MonitoredEmit::begin(event, table.monitors(), table.listeners().len());
            self.deliver(table.listeners(), event, &mut progress, &mut observer);
        }
        progress.into_result()
    }

    /// Counts and reports an emit without listeners.
    pub(super) fn count_if_unhandled(&self, table: &ListenerTable<E>) {
        if !table.listeners().is_empty() || self.shared.carries_failures {
            return;
        }
        let event = std::any::type_name::<E>();
        let before = self.shared.unhandled.fetch_add(1, Ordering::Relaxed);
        if before == 0 {
            log::debug!("no listener for {event}; further emits are only counted");
        }
        if let Some(report) = &self.shared.options.on_unhandled {
            report(event);
        }
    }

    /// Continues a plain emit after its first failure.
    #[cold]
    #[inline(never)]
    pub(super) fn resume_after_failure(
        &self,
        table: &ListenerTable<E>,
        event: &E,
        index: usize,
        error: BoxError,
    ) -> Result<usize, EmitError> {
        let mut progress = Progress {
            delivered: index + 1,
            failures: Vec::new(),
        };
        let (failed, rest) = (&table.listeners()[index], &table.listeners()[index + 1..]);
        let flow = self.handle_failure(failed, error, &mut progress.failures);
        if flow.is_continue() {
            self.deliver(rest, event, &mut progress, &mut NoObserver);
        }
        progress.into_result()
    }

    fn deliver(
        &self,
        listeners: &[ListenerEntry<E>],
        event: &E,
        progress: &mut Progress,
        observer: &mut impl DeliveryObserver,
    ) {
        for entry in listeners {
            if !self.should_call(entry) {
                continue;
            }
            progress.delivered += 1;
            observer.delivering(entry.registration());
            let result = entry.listen.call(event);
            observer.ended(entry.registration(), &result);
            if let Err(error) = result
                && self
                    .handle_failure(entry, error, &mut progress.failures)
                    .is_break()
            {
                break;
            }
        }
    }

    /// Returns whether an emit that has reached this listener calls it.
    pub(super) fn should_call(&self, entry: &ListenerEntry<E>) -> bool {
        match entry.decide() {
            CallDecision::Call => true,
            CallDecision::RemoveAndCall => {
                self.shared.remove(entry.id());
                true
            }
            CallDecision::Skip => false,
        }
    }

    /// Applies the failure policy: reports the failure, and stops or continues the
    /// emit.
    pub(super) fn handle_failure(
        &self,
        entry: &ListenerEntry<E>,
        error: BoxError,
        failures: &mut Vec<Failure>,
    ) -> ControlFlow<()> {
        let failure =
            Failure::from_listener(entry.registration(), std::any::type_name::<E>(), error);
        if self.shared.options.policy == FailurePolicy::FailFast {
            failures.push(failure);
            return ControlFlow::Break(());
        }
        self.notify_observers(failure, failures);
        ControlFlow::Continue(())
    }

    /// Passes a failure to the observers of the emitter or, without any, of its bus,
    /// and returns how many ran. Without observers, or if one of them fails, the
    /// failure is added to `unobserved`, followed by the failures of the observers.
    pub(super) fn notify_observers(
        &self,
        failure: Failure,
        unobserved: &mut Vec<Failure>,
    ) -> usize {
        let own = self.shared.errors.get();
        let from_bus = self.shared.bus_errors.as_ref();
        for errors in own
            .into_iter()
            .chain(from_bus.and_then(|errors| errors.get()))
        {
            match errors.emit(&failure) {
                Ok(0) => {}
                Ok(ran) => return ran,
                Err(error) => {
                    let ran = error.delivered();
                    unobserved.push(failure);
                    let observers = error.into_failures().into_iter();
                    unobserved.extend(observers.map(Failure::mark_from_observer));
                    return ran;
                }
            }
        }
        unobserved.push(failure);
        0
    }
}
