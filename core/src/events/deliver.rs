//! What an emit does beyond calling one listener after the other.

use super::{
    EmitError, Emitter, Failure, FailurePolicy,
    listener::{Admission, Entry},
    lists::Lists,
    monitor::{Tell, Told, Untold},
    subscription::Registry,
};
use crate::BoxError;
use std::{ops::ControlFlow, sync::atomic::Ordering};

/// How far an emit has come, and what nobody observed.
#[derive(Default)]
pub(super) struct Progress {
    pub(super) delivered: usize,
    pub(super) failures: Vec<Failure>,
}

impl Progress {
    pub(super) fn conclude(self) -> Result<usize, EmitError> {
        if self.failures.is_empty() {
            Ok(self.delivered)
        } else {
            Err(EmitError::new(self.delivered, self.failures))
        }
    }
}

impl<E: ?Sized + 'static> Emitter<E> {
    /// An emit somebody is told of, or with listeners that are not always
    /// called.
    #[inline(never)]
    pub(super) fn emit_watched(&self, lists: &Lists<E>, event: &E) -> Result<usize, EmitError> {
        let mut progress = Progress::default();
        self.note_if_unhandled(lists);
        if lists.monitors().is_empty() {
            self.deliver(lists.listeners(), event, &mut progress, &mut Untold);
        } else {
            let mut told = Told::begin(event, lists.monitors(), lists.listeners().len());
            self.deliver(lists.listeners(), event, &mut progress, &mut told);
        }
        progress.conclude()
    }

    /// Counts and reports an emit to nobody.
    pub(super) fn note_if_unhandled(&self, lists: &Lists<E>) {
        if !lists.listeners().is_empty() || self.shared.is_of_errors {
            return;
        }
        let event = std::any::type_name::<E>();
        let before = self.shared.unhandled.fetch_add(1, Ordering::Relaxed);
        if before == 0 {
            log::debug!("{event} is emitted, and nobody listens: further emits are only counted");
        }
        if let Some(report) = &self.shared.options.on_unhandled {
            report(event);
        }
    }

    /// The rest of a plain emit, from the first failure on.
    #[cold]
    #[inline(never)]
    pub(super) fn emit_on(
        &self,
        lists: &Lists<E>,
        event: &E,
        index: usize,
        error: BoxError,
    ) -> Result<usize, EmitError> {
        let mut progress = Progress {
            delivered: index + 1,
            failures: Vec::new(),
        };
        let (failed, rest) = (&lists.listeners()[index], &lists.listeners()[index + 1..]);
        let settled = self.settle(failed, error, &mut progress.failures);
        if settled.is_continue() {
            self.deliver(rest, event, &mut progress, &mut Untold);
        }
        progress.conclude()
    }

    fn deliver(
        &self,
        listeners: &[Entry<E>],
        event: &E,
        progress: &mut Progress,
        told: &mut impl Tell,
    ) {
        for entry in listeners {
            if !self.admits(entry) {
                continue;
            }
            progress.delivered += 1;
            told.delivering(entry.registration());
            let result = entry.listen.call(event);
            told.ended(entry.registration(), &result);
            if let Err(error) = result
                && self.settle(entry, error, &mut progress.failures).is_break()
            {
                break;
            }
        }
    }

    /// Whether an emit that has come to this listener calls it.
    pub(super) fn admits(&self, entry: &Entry<E>) -> bool {
        match entry.admits() {
            Admission::Call => true,
            Admission::RemoveAndCall => {
                self.shared.remove(entry.id());
                true
            }
            Admission::Skip => false,
        }
    }

    /// Decides what becomes of a failure, and of the emit.
    pub(super) fn settle(
        &self,
        entry: &Entry<E>,
        error: BoxError,
        failures: &mut Vec<Failure>,
    ) -> ControlFlow<()> {
        let failure = Failure::of(entry.registration(), std::any::type_name::<E>(), error);
        if self.shared.options.policy == FailurePolicy::FailFast {
            failures.push(failure);
            return ControlFlow::Break(());
        }
        self.observe(failure, failures);
        ControlFlow::Continue(())
    }

    /// Hands a failure to whoever observes it: the emitter's own observers or,
    /// without any, its bus's. If nobody does, or an observer fails, it stays
    /// with the emit, and so does what the observer failed with.
    /// Says how many observers ran.
    pub(super) fn observe(&self, failure: Failure, unobserved: &mut Vec<Failure>) -> usize {
        let own = self.shared.errors.get();
        let of_bus = self.shared.bus_errors.as_ref();
        for errors in own
            .into_iter()
            .chain(of_bus.and_then(|errors| errors.get()))
        {
            match errors.emit(&failure) {
                Ok(0) => {}
                Ok(ran) => return ran,
                Err(error) => {
                    let ran = error.delivered();
                    unobserved.push(failure);
                    let observers = error.into_failures().into_iter();
                    unobserved.extend(observers.map(Failure::of_observer));
                    return ran;
                }
            }
        }
        unobserved.push(failure);
        0
    }
}
