<?php
setcookie('basket', 'a b', ['path' => '/', 'httponly' => true, 'samesite' => 'Lax']);
setcookie('gone', '', 1);
var_dump(headers_list());
