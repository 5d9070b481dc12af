<?php
var_dump($_POST, file_get_contents('php://input'), $_GET, $_FILES);
