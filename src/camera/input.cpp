// What an input string means.
#include <filesystem>
#include <string_view>

#include "src/camera/frame_reader.hpp"

namespace eddy::camera {
namespace {

bool starts_with(const std::string& text, std::string_view start) { return text.compare(0, start.size(), start) == 0; }

// "http" of "http://host/…"; a Windows-like "c:/x" or a name with a colon is no scheme.
std::string scheme_of(const std::string& input) {
    const size_t end = input.find("://");
    if (end == std::string::npos || end == 0) return {};
    for (size_t i = 0; i < end; ++i) {
        const char c = input[i];
        const bool fits = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '+';
        if (!fits) return {};
    }
    return input.substr(0, end);
}

struct Span {
    size_t begin = 0, end = 0;
    [[nodiscard]] size_t size() const { return end - begin; }
};

// Where "secret" stands in "rtsp://user:secret@host/…"; empty: nowhere. A password may itself hold an '@'.
Span password_of(const std::string& input) {
    const std::string scheme = scheme_of(input);
    if (scheme.empty()) return {};
    const size_t host = scheme.size() + 3;
    const size_t at = input.substr(0, input.find('/', host)).rfind('@');
    const size_t colon = input.find(':', host);
    if (at == std::string::npos || at < host || colon == std::string::npos || colon > at) return {};
    return {colon + 1, at};
}

}  // namespace

Result<InputKind> input_kind(const std::string& input) {
    if (input.empty()) return invalid("the input is empty: give a file, a folder, rtsp://…, /dev/video0 or lavfi:…");
    if (starts_with(input, "lavfi:")) return InputKind::lavfi;
    if (starts_with(input, "/dev/video")) return InputKind::v4l2;
    const std::string scheme = scheme_of(input);
    if (scheme == "rtsp" || scheme == "rtsps") return InputKind::rtsp;
    if (!scheme.empty()) {
        return unsupported("input \"" + without_password(input) + "\": \"" + scheme +
                           "://\" is not read; give a file, a folder, rtsp://…, rtsps://…, /dev/video0 or lavfi:…");
    }
    std::error_code failed;
    return std::filesystem::is_directory(input, failed) ? InputKind::folder : InputKind::file;
}

std::string without_password(const std::string& input) {
    const Span password = password_of(input);
    return password.begin == password.end ? input : std::string(input).replace(password.begin, password.size(), "***");
}

std::string without_password_of(const std::string& input, std::string text) {
    const Span password = password_of(input);
    if (password.begin == password.end) return text;
    const std::string secret = input.substr(password.begin, password.size());
    for (size_t at = text.find(secret); at != std::string::npos; at = text.find(secret, at + 3)) {
        text.replace(at, secret.size(), "***");
    }
    return text;
}

}  // namespace eddy::camera
