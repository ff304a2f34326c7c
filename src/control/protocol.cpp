#include "src/control/protocol.hpp"

#include <array>
#include <charconv>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "eddy/config.hpp"

namespace eddy::control {
namespace {

constexpr std::array<std::pair<std::string_view, Request::Word>, 4> words = {{{"status", Request::status},
                                                                              {"report", Request::report},
                                                                              {"stop", Request::stop},
                                                                              {"stop-cameras", Request::stop_cameras}}};
constexpr std::string_view replay_speed_word = "replay-speed";

constexpr size_t shown_bytes_max = 40;

std::string_view trimmed(std::string_view text) {
    constexpr std::string_view blanks = " \t\r\n";
    const size_t first = text.find_first_not_of(blanks);
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

std::string printable(std::string_view text) {
    std::string out(text.substr(0, shown_bytes_max));
    for (char& c : out)
        if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) > 0x7e) c = '?';
    return out;
}

std::string reply(const char* member, std::string_view message) {
    const nlohmann::json value = {{member, std::string(message)}};
    return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

/// `text` follows the word and the blanks after it.
Result<Request> read_replay_speed(std::string_view text) {
    double speed = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), speed);
    const bool number = !text.empty() && error == std::errc{} && end == text.data() + text.size();
    // Written so that what is no number is refused as well.
    if (!number || !(speed > 0 && speed <= replay_speed_max))
        return invalid(fmt::format("{}: found \"{}\", allowed: a number above 0 and at most {}", replay_speed_word,
                                   printable(text), replay_speed_max));
    return Request(Request::replay_speed, speed);
}

}  // namespace

Result<Request> parse_request(std::string_view line) {
    if (line.size() > request_bytes_max)
        return invalid(fmt::format("a request is at most {} bytes", request_bytes_max));
    const std::string_view word = trimmed(line);
    for (const auto& [name, request] : words)
        if (word == name) return Request(request);
    const size_t blank = std::min(word.find_first_of(" \t"), word.size());
    if (word.substr(0, blank) == replay_speed_word) return read_replay_speed(trimmed(word.substr(blank)));
    return invalid(fmt::format("unknown request \"{}\", known are status, report, stop, stop-cameras and replay-speed",
                               printable(word)));
}

std::string request_line(const Request& request) {
    if (request.word == Request::replay_speed) return fmt::format("{} {}\n", replay_speed_word, request.speed);
    for (const auto& [name, known] : words)
        if (known == request.word) return std::string(name) + "\n";
    return "\n";
}

std::optional<Result<Request>> RequestReader::add(std::string_view bytes) {
    if (done_) return std::nullopt;
    const size_t end = bytes.find('\n');
    const size_t wanted = end == std::string_view::npos ? bytes.size() : end;
    if (line_.size() + wanted > request_bytes_max) {
        done_ = true;
        return invalid(fmt::format("a request is at most {} bytes", request_bytes_max));
    }
    line_ += bytes.substr(0, wanted);
    if (end == std::string_view::npos) return std::nullopt;
    done_ = true;
    return parse_request(line_);
}

std::string error_reply(std::string_view message) { return reply("error", message); }
std::string ok_reply(std::string_view message) { return reply("ok", message); }

Result<std::string> read_reply(std::string_view reply) {
    const nlohmann::json value = nlohmann::json::parse(reply, nullptr, false);
    if (!value.is_object()) return invalid("the node's reply is not a JSON object");
    const auto error = value.find("error");
    if (error == value.end()) return std::string(reply);
    return unavailable("the node refused: " + (error->is_string() ? error->get<std::string>() : error->dump()));
}

}  // namespace eddy::control
