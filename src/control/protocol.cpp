#include "src/control/protocol.hpp"

#include <array>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace eddy::control {
namespace {

constexpr std::array<std::pair<std::string_view, Request>, 3> words = {
    {{"status", Request::status}, {"report", Request::report}, {"stop", Request::stop}}};

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

}  // namespace

Result<Request> parse_request(std::string_view line) {
    if (line.size() > request_bytes_max)
        return invalid(fmt::format("a request is at most {} bytes", request_bytes_max));
    const std::string_view word = trimmed(line);
    for (const auto& [name, request] : words)
        if (word == name) return request;
    return invalid(fmt::format("unknown request \"{}\", known are status, report and stop", printable(word)));
}

std::string request_line(Request request) {
    for (const auto& [name, known] : words)
        if (known == request) return std::string(name) + "\n";
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
