// The control socket's conversation: the client sends one line, the node answers one line of JSON and closes. The
// socket itself belongs to src/transport; here are only the words.
//   status          -> eddy.status/1
//   report          -> eddy.report/1
//   stop            -> {"ok": "…"}   as SIGTERM does
//   stop-cameras    -> {"ok": "…"}   its cameras end, as if their inputs did; the node goes on for the others
//   replay-speed X  -> {"ok": "…"}   the next runs of a node that replays are so fast; X as [compute] replay_speed
//   anything else   -> {"error": "…"}
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "eddy/result.hpp"

namespace eddy::control {

/// A longer request line is refused before it is read to its end.
inline constexpr size_t request_bytes_max = 256;

struct Request {
    enum Word { status, report, stop, stop_cameras, replay_speed };

    Request(Word asked, double asked_speed = 0) : word(asked), speed(asked_speed) {}  // NOLINT: a word is a request

    Word word;
    double speed;  ///< of replay_speed: above 0, at most replay_speed_max; else 0
    friend bool operator==(const Request&, const Request&) = default;
};

/// `line` with or without its line end; blanks around the words are allowed. The error's text goes into error_reply.
Result<Request> parse_request(std::string_view line);
/// What a client sends, newline included.
std::string request_line(const Request& request);

/// Splits requests off what a socket delivers piece by piece; holds at most request_bytes_max bytes.
class RequestReader {
public:
    /// Nothing until a whole line has come; then the request, or why it is none. Bytes after the line are ignored: a
    /// connection asks once.
    std::optional<Result<Request>> add(std::string_view bytes);

private:
    std::string line_;
    bool done_ = false;
};

/// Replies, newline included.
std::string error_reply(std::string_view message);
std::string ok_reply(std::string_view message);

/// The client's side: the JSON text of a reply, or the node's refusal as an error.
Result<std::string> read_reply(std::string_view reply);

}  // namespace eddy::control
