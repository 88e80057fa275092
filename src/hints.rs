//! Known words of servers, their cause and their cure.
