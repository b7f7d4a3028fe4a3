//! The types of inputs: one for each meaning that a text of the API can have.
//!
//! | type | meaning |
//! |---|---|
//! | [`Text`] | plain text for people: one line, or paragraphs |
//! | [`email()`] | an e-mail address |
//! | [`phone()`] | a telephone number |
//! | [`time_zone()`] | the name of an IANA time zone |
//! | [`country()`] | an ISO 3166-1 country code |
//! | [`instant()`] | an RFC 3339 date and time |
//! | [`web_address()`] | an https URL |
//!
//! Each returns the value in its stored form, or a fault with a sentence for the client. What is stored is what is
//! returned to clients. The methods of [`Check`](crate::error::Check) in this module collect the faults of an input.
//!
//! Invariant: pure and synchronous.

mod characters;
mod check;
mod country;
mod email;
mod instant;
mod phone;
mod text;
mod time_zone;
mod web_address;

pub use self::{
    characters::{Allowed, CharacterFault, character_fault},
    country::{CountryFault, country},
    email::{EMAIL_MAX, EmailFault, email, skeleton},
    instant::{InstantFault, instant, is_storable},
    phone::{PhoneFault, phone},
    text::{Text, TextFault},
    time_zone::{ZoneFault, time_zone},
    web_address::{WebAddressFault, web_address},
};
