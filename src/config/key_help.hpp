// What a user may write into a file of one form, for references and documentation.
#pragma once

#include <cstddef>
#include <string>

namespace eddy::config {

/// Largest configuration file that is read at all.
inline constexpr size_t file_bytes_max = size_t{1} << 20;

struct KeyHelp {
    std::string table;          ///< "node", …, "source"
    std::string key;            ///< as in the file
    std::string allowed;        ///< the words of the error messages
    std::string default_value;  ///< as TOML, or empty if there is none to write; see `help`
    bool required = false;
    std::string help;
};

}  // namespace eddy::config
