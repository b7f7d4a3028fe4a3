//! Tests of venues, seat maps and geometry.

mod geometry;
mod management;
mod seating;
