use std::fs;

use super::{Answer, Request, State};

pub(super) fn answer(state: &State, request: &Request) -> Answer {
    if request.method != "GET" && request.method != "HEAD" {
        return Answer::status("405 Method Not Allowed");
    }
    match fs::read(state.folder.join(&request.path)) {
        Ok(content) => Answer::content(request, content),
        Err(_) => Answer::status("404 Not Found"),
    }
}
