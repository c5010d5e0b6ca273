//! Events as types: see [`sockeye::TypedEvent`](crate::TypedEvent).

use sockeye_core::EmitError;
use sockeye_core::packet::{Acknowledged, EmitArgs, OwnedArgs, TypedEvent};

use super::ack::{EmitWithAck, Volatile};
use super::socket::Socket;
use super::streams::Events;
use crate::client::typed::typed_emits;
use crate::dispatch::typed::task_fn;
use crate::{EventHandler, EventParams, HandlerId, ReturnsAck, StreamOptions};

/// # Typed events
impl Socket {
    /// Emits a typed event: [`sockeye::Socket::emit_event`](crate::Socket::emit_event).
    ///
    /// # Errors
    /// As [`emit`](Self::emit).
    pub fn emit_event<E: TypedEvent + EmitArgs>(&self, event: &E) -> Result<(), EmitError> {
        self.emit(E::NAME, event)
    }

    /// A typed event that wants the server's answer, as a request: [`EmitWithAck::send`] sends it and waits.
    ///
    /// ```
    /// # #[cfg(feature = "derive")] {
    /// use sockeye::blocking::Socket;
    /// use sockeye::{AckError, Event};
    /// use std::time::Duration;
    ///
    /// #[derive(Event)]
    /// #[event(ack = (bool,))]
    /// struct Save(u32, String);
    ///
    /// fn save(socket: &Socket) -> Result<bool, AckError> {
    ///     let save = Save(7, "text".into());
    ///     let (saved,) = socket.request(&save).timeout(Duration::from_secs(5)).send()?;
    ///     Ok(saved)
    /// }
    /// # }
    /// ```
    pub fn request<E: Acknowledged + EmitArgs>(&self, event: &E) -> EmitWithAck<E::Ack> {
        self.emit_with_ack(E::NAME, event)
    }

    /// Handles a typed event: see [`EventHandler`] for the functions it takes, and
    /// [`sockeye::Socket::on_event`](crate::Socket::on_event). It runs on the namespace's thread, and may wait there.
    pub fn on_event<P, R, M>(&self, handler: impl EventHandler<P, Output = R>) -> HandlerId
    where
        P: EventParams,
        R: ReturnsAck<P::Ack, M>,
    {
        self.as_async().on_event(handler)
    }

    /// As [`on_event`](Self::on_event), for the next event only.
    pub fn once_event<P, R, M>(&self, handler: impl EventHandler<P, Output = R>) -> HandlerId
    where
        P: EventParams,
        R: ReturnsAck<P::Ack, M>,
    {
        self.as_async().once_event(handler)
    }

    /// As [`on_event`](Self::on_event), for a handler that may overlap: see [`on_concurrent`](Self::on_concurrent).
    pub fn on_event_concurrent<P, R, M>(
        &self,
        limit: usize,
        handler: impl EventHandler<P, Output = R>,
    ) -> HandlerId
    where
        P: EventParams + Send,
        R: ReturnsAck<P::Ack, M>,
    {
        let handlers = &self.as_async().nsp().handlers;
        handlers.on_typed_concurrent(P::Event::NAME, limit, task_fn(handler))
    }

    /// A typed event, one after another: see [`stream`](Self::stream).
    pub fn stream_event<E>(&self) -> Events<E>
    where
        E: TypedEvent + for<'a> OwnedArgs<'a> + Send + 'static,
    {
        self.as_async().stream_event().into()
    }

    /// As [`stream_event`](Self::stream_event), with a capacity and a policy of your own.
    pub fn stream_event_with<E>(&self, options: StreamOptions) -> Events<E>
    where
        E: TypedEvent + for<'a> OwnedArgs<'a> + Send + 'static,
    {
        self.as_async().stream_event_with(options).into()
    }
}

typed_emits!(Volatile<'_>, EmitWithAck);
#[cfg(feature = "deflate")]
typed_emits!(super::Compress<'_>, EmitWithAck);
