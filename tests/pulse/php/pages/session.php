<?php
session_save_path($_SERVER['SESSION_DIR'] ?? sys_get_temp_dir());
session_id('fixedidentifier0123456789');
session_start(['use_strict_mode' => 0]);
$_SESSION['visits'] = ($_SESSION['visits'] ?? 0) + 1;
$_SESSION['user'] = 'anna';
echo json_encode([$_SESSION, session_status()]), "\n";
if ($_SESSION['visits'] === 2) {
    session_destroy();
}
