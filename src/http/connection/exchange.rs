//! Passes requests and responses between a connection and the router.

use std::{
    convert::Infallible,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use axum::{
    Router,
    body::Body as AxumBody,
    extract::Request as AxumRequest,
    http::{Request, Response, Version},
};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::{body::Incoming, service::Service};
use hyper_util::service::TowerToHyperService;
use tokio::time::{Instant, Sleep, sleep_until};

use super::{
    activity::{Activity, Exchange},
    arrival::Arrival,
};

/// Bytes of a response that HTTP/2 gets at a time. It keeps them until the peer opens its window, so this limits the
/// memory of a stream whose peer does not read.
const PIECE: usize = 4 * 1024;

/// Serves the requests of one connection.
pub(super) struct Requests {
    router: TowerToHyperService<Router>,
    arrival: Arrival,
}

impl Requests {
    /// Returns a service for a router.
    pub(super) fn new(router: Router, arrival: Arrival) -> Self {
        Self { router: TowerToHyperService::new(router), arrival }
    }
}

impl Service<Request<Incoming>> for Requests {
    type Response = Response<Outgoing>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let activity = self.arrival.activity();
        let exchange = activity.begin(request.version() == Version::HTTP_2, Instant::now());
        exchange.is_read();
        let mut request: AxumRequest = request.map(|body| {
            if body.is_end_stream() {
                AxumBody::empty()
            } else {
                AxumBody::new(Timed::new(body, Arc::clone(activity)))
            }
        });
        request.extensions_mut().insert(self.arrival.clone());
        let response = self.router.call(request);
        Box::pin(async move {
            let response = response.await?;
            exchange.is_unread();
            Ok(response.map(|body| Outgoing { body, rest: Bytes::new(), exchange }))
        })
    }
}

/// A request's body that must arrive in time, whichever handler reads it.
struct Timed {
    body: Incoming,
    activity: Arc<Activity>,
    /// The deadline of the whole body.
    end: Instant,
    /// The deadline of the next piece.
    stall: Pin<Box<Sleep>>,
    is_waiting: bool,
}

impl Timed {
    fn new(body: Incoming, activity: Arc<Activity>) -> Self {
        let end = Instant::now() + activity.timeouts().body;
        Self { body, activity, end, stall: Box::pin(sleep_until(end)), is_waiting: false }
    }
}

impl Body for Timed {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match Pin::new(&mut self.body).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => {
                self.is_waiting = false;
                if let Some(data) = frame.data_ref() {
                    self.activity.used(data.len());
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(error.into()))),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => {
                if !self.is_waiting {
                    self.is_waiting = true;
                    let until = (Instant::now() + self.activity.timeouts().body_stall).min(self.end);
                    self.stall.as_mut().reset(until);
                }
                ready!(self.stall.as_mut().poll(context));
                Poll::Ready(Some(Err(io::Error::from(io::ErrorKind::TimedOut).into())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A response's body, which reports whether the peer reads it.
pub(super) struct Outgoing {
    body: AxumBody,
    /// The rest of the last frame that HTTP/2 does not have yet.
    rest: Bytes,
    exchange: Exchange,
}

impl Outgoing {
    /// Takes the next piece of the rest.
    fn piece(&mut self) -> Frame<Bytes> {
        let piece = self.rest.split_to(self.rest.len().min(PIECE));
        self.exchange.is_unread();
        Frame::data(piece)
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if !self.exchange.is_http2() {
            return Pin::new(&mut self.body).poll_frame(context);
        }
        if !self.rest.is_empty() {
            return Poll::Ready(Some(Ok(self.piece())));
        }
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if polled.is_pending() {
            self.exchange.is_read();
        }
        let Some(frame) = ready!(polled) else { return Poll::Ready(None) };
        match frame.map(Frame::into_data) {
            Ok(Ok(data)) => {
                self.rest = data;
                Poll::Ready(Some(Ok(self.piece())))
            }
            Ok(Err(trailers)) => Poll::Ready(Some(Ok(trailers))),
            Err(error) => Poll::Ready(Some(Err(error))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = self.body.size_hint();
        let rest = self.rest.len() as u64;
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper + rest);
        }
        hint.set_lower(hint.lower() + rest);
        hint
    }
}
