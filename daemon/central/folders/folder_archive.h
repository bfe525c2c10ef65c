/*
 * A centre that is a folder, dir:PATH or file:///PATH: a sub-folder for each host, named after it,
 * that is its audit folder or a copy of it; or one audit folder itself. For auditors who got copies
 * or have the hosts' folders mounted. Folders of the same log are one log, as they would be in a
 * database: a record that they share is there once, where they differ it is there twice.
 */
#ifndef CENTION_CENTRAL_FOLDERS_FOLDER_ARCHIVE_H
#define CENTION_CENTRAL_FOLDERS_FOLDER_ARCHIVE_H

#include "central/archive.h"

extern const struct archive_kind FOLDER_ARCHIVE;

#endif
